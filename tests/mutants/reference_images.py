"""Faults in the column `image`."""

from __future__ import annotations

from tests.mutants.fault import Fault

_CORE = "tests/core/prompts/test_reference_images.py"
_WHOLE = "tests/cli/test_reference_images.py"

FAULTS = (
    Fault(
        "a row is sent without the picture that its column image holds",
        "use",
        "pipeline/core/prompts/reference_images.py",
        "            own[name] = own.pop(IMAGE)\n",
        "            del own[IMAGE]\n",
        _CORE,
    ),
    Fault(
        "the first picture is sent instead of the one that is named",
        "use",
        "pipeline/core/prompts/reference_images.py",
        "                own[INDEX] = picture.number\n",
        "                pass\n",
        _CORE,
    ),
    Fault(
        "a row does not wait for the row that its image names",
        "P1",
        "pipeline/core/rows/chains.py",
        "    return HAS_PARENT in inputs or HAS_IMAGE in inputs\n",
        "    return HAS_PARENT in inputs\n",
        _CORE,
    ),
    Fault(
        "another name of the row in image asks for the picture again",
        "P1",
        "pipeline/core/rows/chains.py",
        "        same[IMAGE] = sent[IMAGE]\n",
        "        pass\n",
        _CORE,
    ),
    Fault(
        "an address in a private network is sent",
        "P7",
        "pipeline/core/api/links.py",
        "        return not ip_address(host).is_global",
        "        return False",
        _CORE,
    ),
    Fault(
        "a link to Google Drive is sent to the API as an address",
        "use",
        "pipeline/provider/parts.py",
        "        if ADDRESS.fullmatch(text) and not drive_file(text):\n            return text",
        "        if ADDRESS.fullmatch(text):\n            return text",
        _WHOLE,
    ),
    Fault(
        "a link to Google Drive is read with the rights of a person",
        "P7",
        "pipeline/provider/input_files.py",
        '        if account.kind != "service":',
        "        if not account.kind:",
        _WHOLE,
    ),
    Fault(
        "a host that only looks like Google Drive gets our credentials",
        "P7",
        "pipeline/core/api/links.py",
        '    if (parts.hostname or "").lower() not in _DRIVE_HOSTS:',
        "    if _DRIVE_HOSTS[0] not in address:",
        _CORE,
    ),
)
