"""Everything that is decided, and nothing that is done: pure functions over frozen values.

Standard library only. The clock, chance and lists come in as arguments, so each rule of the
product can be read, printed and tested without a sheet, a store or a network.

The packages, from the highest layer down. Imports go down only; import-linter checks it in CI.

    outlets/    which messages go to chats, tables and other programs
    cells/      what our cells should say, and which rows need no work
    planning/   what to do with each row: the lines of a plan, samples, budgets
    money/      costs, charges, currencies, receipts
    rows/       which row is which, what it asks for, and which one it follows
    prompts/    what a prompt is made of, and pictures to start from
    sheet/      the header, new rows, verified writes
    pictures/   saved pictures: names, kinds, shapes, picks
    api/        how an API is described, what is sent to it, and what its answers mean
    messages/   the sentences that people read

Below them are the values and words that all of them use:

    model, states, statuses, errors     what the program works with, and what can happen to it
    inputs, traces                      what a row says, and what stays of it if it is forgotten
    credits, picture_findings           amounts, and what was seen of a picture
    language, text                      sentences for people
    cell_errors, invisible              cells that hold no value
"""
