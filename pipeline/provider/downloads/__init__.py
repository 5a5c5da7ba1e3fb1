"""Downloads results and keeps them: `Media` is a `Fetcher` and a `Destination`.

addresses    which links are followed
fetching     a link -> an unfinished file on this machine
unfinished   files under temporary names, and how a download is continued
destination  the interface of a place for saved files
folder       a local folder
previews     small versions of pictures that are kept on another machine
places       the place that a configuration names
"""
