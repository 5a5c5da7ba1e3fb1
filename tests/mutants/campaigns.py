"""Faults in what large campaigns use: samples, approval, budgets of columns, prompts, plans."""

from __future__ import annotations

from tests.mutants.fault import Fault

_SAMPLES = "pipeline/core/planning/samples.py"
_APPROVAL = "pipeline/core/rows/approval.py"
_PLANNING = "pipeline/core/planning/plan.py"
_SHARES = "pipeline/core/money/shares.py"
_BUDGET = "pipeline/store/budget.py"
_ADMISSION = "pipeline/store/admission.py"
_PROMPTS = "pipeline/core/prompts/templates.py"
_KEPT_QUOTE = "pipeline/sync/kept_quote.py"
_PLAN_FILES = "pipeline/core/planning/files.py"
_BY_SAMPLE = "tests/cli/test_sample.py"
_OF_SAMPLES = "tests/core/planning/test_samples.py"
_BY_SHARE = "tests/cli/test_shares.py"
_OF_ADMISSION = "tests/store/test_admission.py"
_OF_TICKS = "tests/core/sheet/test_ticks.py"
_BY_GESTURE = "tests/cli/test_gestures.py::test_a_drop_down_with_words_of_the_team_approves"
_OF_PROMPTS = "tests/core/prompts/test_templates.py"
_BY_PROMPT = "tests/cli/test_prompt_templates.py"
_BY_FILE = "tests/cli/test_plan_files.py"

FAULTS = (
    Fault(
        "a row that came back unsent keeps its place in the sample",
        "use",
        _SAMPLES,
        "    return any(attempt.state is not State.RETURNED for attempt in attempts)",
        "    return any(attempts)",
        _OF_SAMPLES,
    ),
    Fault(
        "which rows are in the sample is not kept",
        "use",
        "pipeline/sync/sheet_sync.py",
        "            self.planner.sample.keep(look.sample, look.sampled)\n",
        "            self.planner.sample.keep(look.sample, frozenset())\n",
        f"{_BY_SAMPLE}::test_only_the_sample_is_sent_however_often_it_runs",
    ),
    Fault(
        "rows of an earlier sample take places in the next one",
        "use",
        "pipeline/store/samples.py",
        'if kept and kept["after"] == _text(looked_at) else ()',
        "if kept else ()",
        f"{_BY_SAMPLE}::test_rows_added_later_begin_a_new_sample",
    ),
    Fault(
        "rows that were sent without a sample take places in a later one",
        "use",
        "pipeline/sync/kept_sample.py",
        "                self._store.samples.forget(self._sheet)\n",
        "",
        f"{_BY_SAMPLE}::test_rows_sent_while_there_was_no_sample_take_no_places",
    ),
    Fault(
        "one look releases all rows that ever come",
        "use",
        _SAMPLES,
        "return looked_at is None or since is None or since > looked_at",
        "return looked_at is None or since is None",
        _OF_SAMPLES,
    ),
    Fault(
        "a look at the sample releases no row",
        "use",
        _SAMPLES,
        "return looked_at is None or since is None or since > looked_at",
        "return looked_at is None or since != looked_at",
        _OF_SAMPLES,
    ),
    Fault(
        "a row that is wanted once more waits for a look at the sample",
        "use",
        _SAMPLES,
        "    if line.take is not None and line.take > line.memory.first_take:\n"
        "        return False\n",
        "",
        _OF_SAMPLES,
    ),
    Fault(
        "a row over budget takes a place in the sample",
        "use",
        _SAMPLES,
        "if its is None or not over_budget([line], its.left):",
        "if its is None or over_budget([line], its.left):",
        _OF_SAMPLES,
    ),
    Fault(
        "rows that wait for a look use up the budget",
        "use",
        "pipeline/sync/planner.py",
        "                made, sampled = self._within_sample(made, sample)\n"
        "            made = self._within_budget(made, rules)",
        "                made = self._within_budget(made, rules)\n"
        "                made, sampled = self._within_sample(made, sample)\n"
        "            made = self._within_budget(made, rules)",
        f"{_BY_SAMPLE}::test_rows_that_wait_for_a_look_do_not_use_up_the_budget",
    ),
    Fault(
        "rows that follow others have places before them in the sample",
        "use",
        _SAMPLES,
        "        yield from reversed(path)",
        "        yield from path",
        _OF_SAMPLES,
    ),
    Fault(
        "a sample without results is called done like any other",
        "use",
        _SAMPLES,
        "    if succeeded == sent:\n        return NOTHING\n",
        "    if succeeded <= sent:\n        return NOTHING\n",
        _OF_SAMPLES,
    ),
    Fault(
        "an old page releases rows that it did not show",
        "use",
        "pipeline/page/actions.py",
        'if request.state.form.get("waits") != str(sheets.get(key).sample_waits):',
        'if not request.state.form.get("waits"):',
        "tests/page/test_sample.py",
    ),
    Fault(
        "the usual words approve besides those of the team",
        "P1",
        "pipeline/core/sheet/ticks.py",
        "if word in (frozenset(map(_folded, words)) or _MEANS_YES):",
        "if word in (frozenset(map(_folded, words)) | _MEANS_YES):",
        f"{_OF_TICKS}::test_no_other_word_counts_beside_those_of_the_team",
    ),
    Fault(
        "an approval with a word of the team is not remembered",
        "use",
        _PLANNING,
        "memory = approved(memory, cell, take, before, rules.approved_words, is_copied=came)",
        "memory = approved(memory, cell, take, before, is_copied=came)",
        _BY_GESTURE,
    ),
    Fault(
        "a word of the team does not approve",
        "use",
        "pipeline/core/planning/approval_missing.py",
        "    match approval(cell, rules.approved_words):",
        "    match approval(cell):",
        _BY_GESTURE,
    ),
    Fault(
        "a tick that was copied with a row approves the copy",
        "P1",
        _APPROVAL,
        'approved_for="" if is_copied else covers)',
        "approved_for=covers)",
        "tests/core/planning/test_plan.py",
    ),
    Fault(
        "a tick of a row of another sheet approves a copy",
        "P1",
        _APPROVAL,
        "        return seen.known is None  # a row of another sheet",
        "        return False",
        "tests/core/planning/test_plan.py",
    ),
    Fault(
        "case makes another value of a column with a budget",
        "P4",
        _SHARES,
        "{' '.join(normalise(cell).casefold().split())}",
        "{' '.join(normalise(cell).split())}",
        f"{_BY_SHARE}::test_no_campaign_costs_more_than_its_budget_and_each_gets_all_of_it",
    ),
    Fault(
        "the budget of a column has no cap where money is spent",
        "P4",
        _ADMISSION,
        "        return self.per.get(column_of(name.name))",
        "        return None",
        f"{_OF_ADMISSION}::test_a_month_and_each_share_has_a_budget_of_its_own",
    ),
    Fault(
        "the values of a column share one budget",
        "use",
        _BUDGET,
        '        *(CounterName(api_key, "share", name) for name in shares),',
        '        *(CounterName(api_key, "share", name.partition("=")[0]) for name in shares),',
        f"{_BY_SHARE} {_OF_ADMISSION}",
    ),
    Fault(
        "a refund does not reach the budget of the column",
        "use",
        "pipeline/store/job_cache.py",
        "counters = counters_of(api_key, run, day, from_shares(shares)) if api_key else ()",
        "counters = counters_of(api_key, run, day) if api_key else ()",
        f"{_OF_ADMISSION}::test_a_refund_and_a_reported_charge_correct_every_counter",
    ),
    Fault(
        "a new price of a credit counts for what was sent before",
        "P4",
        "pipeline/store/batch.py",
        "        counters = limits.counted(intent.shares)",
        "        counters = limits.counters(intent.shares)",
        f"{_OF_ADMISSION}"
        "::test_a_credit_counts_in_a_budget_in_money_at_the_price_that_it_was_sent_at",
    ),
    Fault(
        "a month has the budget of a day",
        "P4",
        _ADMISSION,
        "                return self.per_month",
        "                return self.per_day",
        f"{_OF_ADMISSION}::test_a_month_and_each_share_has_a_budget_of_its_own",
    ),
    Fault(
        "the budget of a month begins with each day",
        "P4",
        _BUDGET,
        'CounterName(api_key, "month", day[:7]),',
        'CounterName(api_key, "month", day),',
        f"{_OF_ADMISSION}::test_a_month_and_each_share_has_a_budget_of_its_own",
    ),
    Fault(
        "the budget of a month never ends",
        "use",
        _BUDGET,
        'CounterName(api_key, "month", day[:7]),',
        'CounterName(api_key, "month", day[:4]),',
        f"{_OF_ADMISSION}::test_a_month_and_each_share_has_a_budget_of_its_own",
    ),
    Fault(
        "half a prompt is sent",
        "P1",
        _PLANNING,
        "    problems = [*row.asked.problems, *(finished.problems if finished else ())]",
        "    problems = [*row.asked.problems]",
        f"{_BY_PROMPT}::test_a_row_that_lacks_a_part_costs_nothing_and_says_which",
    ),
    Fault(
        "an empty part leaves half a prompt",
        "P1",
        _PROMPTS,
        '            "" if problems else self._prompt(given, inputs, take), tuple(problems)',
        "            self._prompt(given, inputs, take), tuple(problems)",
        f"{_OF_PROMPTS}::test_each_missing_cell_is_named_and_half_a_prompt_is_none",
    ),
    Fault(
        "an unknown style is sent as a word",
        "P1",
        _PROMPTS,
        "if name == self.style_column and self.styles and folded(text) not in self.styles:",
        "if name == self.style_column and not self.styles and folded(text) not in self.styles:",
        f"{_OF_PROMPTS} {_BY_PROMPT}",
    ),
    Fault(
        "a cell is read as a template",
        "P1",
        _PROMPTS,
        '                    yield chosen(self._text(name, given.get(name, "")), turns)',
        '                    text = self._text(name, given.get(name, ""))\n'
        '                    yield from self._filled(template(text + "{x}").pieces, given, turns)',
        f"{_OF_PROMPTS}::test_a_cell_is_never_read_as_a_template",
    ),
    Fault(
        "each take gets the same choice",
        "use",
        _PROMPTS,
        'zlib.crc32(inputs.encode("utf-8", "surrogatepass")) + take - 1)',
        'zlib.crc32(inputs.encode("utf-8", "surrogatepass")))',
        f"{_OF_PROMPTS}::test_takes_go_through_all_combinations_before_one_is_repeated",
    ),
    Fault(
        "a quote is compared with the last pass alone",
        "use",
        _KEPT_QUOTE,
        "sent = sum(one.state is not State.RETURNED for one in since)",
        "sent = outcome.counts.new",
        "tests/cli/test_quotes.py::test_over_plain_passes_the_quote_is_that_of_the_first_one",
    ),
    Fault(
        "a quote is compared with itself",
        "use",
        _KEPT_QUOTE,
        "quoted, became = in_words(self.costs), in_words(paid)",
        "quoted, became = in_words(self.costs), in_words(self.costs)",
        "tests/cli/test_quotes.py",
    ),
    Fault(
        "a quote ignores --limit",
        "use",
        _KEPT_QUOTE,
        "lines = [line for line in wanted if only is None or only(line)][:limit]",
        "lines = [line for line in wanted if only is None or only(line)]",
        "tests/cli/test_quotes.py::test_a_start_with_a_limit_quotes_only_the_rows_that_it_sends",
    ),
    Fault(
        "a plan of a file does not notice another take",
        "P1",
        _PLAN_FILES,
        "    if line.take != row.take:\n",
        "    if line.take is None:\n",
        _BY_FILE,
    ),
    Fault(
        "a plan of a file sends a row that comes back more than once",
        "P1",
        _PLAN_FILES,
        "row.take, row.part, row.attempt, row.endpoint",
        "row.take, row.part, row.endpoint",
        "tests/core/planning/test_files.py",
    ),
    Fault(
        "a plan of a file sends a row that needs approval by now",
        "P1",
        _PLAN_FILES,
        "    if not (line.endpoint or line.identity in coming or waits):",
        "    if not (line.endpoint or line.identity in coming or not waits):",
        _BY_FILE,
    ),
    Fault(
        "a pass that waits does not look when rows have settled",
        "use",
        "pipeline/sync/looker.py",
        "        return min(filter(None, (late, settled)), default=None)",
        "        return late if settled else late",
        "tests/cli/test_campaigns_under_way.py"
        "::test_a_google_sheet_with_sample_template_and_budgets_whose_rows_settle",
    ),
    Fault(
        "a plan shows all rows that settle, though only the sample is sent",
        "use",
        _SAMPLES,
        "    settles = bool(note) and line.status == Status.WAITING and line.note.startswith(note)",
        "    settles = False",
        _OF_SAMPLES,
    ),
    Fault(
        "rows that follow others have places that the budget does not cover",
        "use",
        _SAMPLES,
        "        its = self._left.get(self._account_of(line))\n",
        "        its = self._left.get(self._account_of(line)) if line.endpoint else None\n",
        _OF_SAMPLES,
    ),
)
