"""The same sheet and the same stand-in API, worked by three programs.

`sheets` has the sheet, `runner` what each program must offer, one file each program, and `measure`
the three measurements: a run, a run that is killed, and a run while a person sorts the sheet.
"""
