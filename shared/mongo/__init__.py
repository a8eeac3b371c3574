"""MongoDB behind two modules: `client` chooses the driver, `storage` is what flow writes through.

No other package imports a driver.
"""
