"""Stand-ins for the APIs of other vendors, each in the vendor's own words.

    with running("replicate", key="secret", task_seconds=1) as api:
        ...                       # configure base_url = api.url
        api.set(lost=1)           # the next submission is taken, and its answer is lost
        api.state()["tasks"]      # {"a fox": 1}

`vendor` holds what all of them share, one module for each vendor describes its API, `service` is
the web application. As in Apiframe's stand-in, a prompt with [refuse] is refused, one with [fail]
fails after it was taken, and one with [slow] takes five times as long.
"""

#: Name of the provider file -> class of the stand-in, in the module of that name.
VENDORS = {
    "bfl": "Bfl",
    "leonardo": "Leonardo",
    "luma": "Luma",
    "piapi": "PiApi",
    "replicate": "Replicate",
    "runway": "Runway",
}
