#!/bin/sh
# As in the official image: options alone are mongod's.
case ${1:-} in
-*) set -- mongod "$@" ;;
esac
exec "$@"
