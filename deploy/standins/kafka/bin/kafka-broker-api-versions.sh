#!/bin/sh
# The official image has a script for each tool; this is the one that the health check runs.
exec java -Xmx256m -cp '/etc/kafka/docker:/opt/kafka/libs/*' org.apache.kafka.tools.BrokerApiVersionsCommand "$@"
