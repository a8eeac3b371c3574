"""One order of a city to its posts and back: the real dispatch service beside plain aiokafka, pair by pair.

`world` is the city, `outsider` plays everybody in it and checks every unit, `arms` are what is compared,
`sample` takes the figures of one run, `pairs` runs both arms in turn.
"""
