/**
 * The menu "Promptsheet" of a Google Sheet. It calls a running `promptsheet watch` by HTTP.
 *
 * The address and the token are script properties (Project Settings > Script Properties), never
 * cells: PROMPTSHEET_ADDRESS, such as https://runs.example.com/run/promptsheet, and
 * PROMPTSHEET_TOKEN. docs/how-to/sheet-menu.md shows each step.
 */

const TITLE = 'Promptsheet';
const SECONDS = 15; // How long a message stays on the screen.

/** Adds the menu. Google runs it each time the sheet is opened. */
function onOpen() {
  SpreadsheetApp.getUi()
    .createMenu(TITLE)
    .addItem('Run now', 'runNow')
    .addItem('What would it cost?', 'showCost')
    .addItem('How is it going?', 'showState')
    .addSeparator()
    .addItem('Pause', 'pauseSending')
    .addItem('Resume', 'resumeSending')
    .addToUi();
}

function runNow() {
  show_(call_('post', { action: 'run' }));
}

function showCost() {
  const answer = call_('post', { action: 'plan' });
  SpreadsheetApp.getUi().alert(TITLE, answer, SpreadsheetApp.getUi().ButtonSet.OK);
}

function showState() {
  show_(call_('get'));
}

function pauseSending() {
  show_(call_('post', { action: 'pause' }));
}

function resumeSending() {
  show_(call_('post', { action: 'resume' }));
}

/**
 * Starts a run after an edit. Google runs it only after you have added a trigger (see docs/how-to/sheet-menu.md).
 * It shows no messages, which would interrupt people while they type.
 */
function edited() {
  console.log(call_('post', { action: 'run', quick: true }));
}

/** Sends a request. Returns a sentence for people, whatever happens. */
function call_(method, order) {
  const properties = PropertiesService.getScriptProperties();
  const address = (properties.getProperty('PROMPTSHEET_ADDRESS') || '').trim();
  const token = (properties.getProperty('PROMPTSHEET_TOKEN') || '').trim();
  if (!address || !token) {
    return (
      'The address or the token is missing. Open Extensions > Apps Script > Project Settings, and ' +
      'set the script properties PROMPTSHEET_ADDRESS and PROMPTSHEET_TOKEN.'
    );
  }
  if (!/^https:\/\/[^/\s]+\/run\/[^/\s]+$/.test(address)) {
    return (
      'PROMPTSHEET_ADDRESS is not the address of a sheet. It looks like ' +
      'https://runs.example.com/run/promptsheet.'
    );
  }
  const options = {
    method: method,
    headers: { Authorization: 'Bearer ' + token },
    muteHttpExceptions: true, // An answer such as 401 is no error of the script.
    followRedirects: false, // The token goes to this address only.
  };
  if (order) {
    options.contentType = 'application/json';
    options.payload = JSON.stringify(order);
  }
  let response;
  try {
    response = UrlFetchApp.fetch(address, options);
  } catch (error) {
    return (
      'Promptsheet cannot be reached. Is promptsheet watch running, and can the internet reach ' +
      address.replace(/\/run\/.*/, '') +
      '?'
    );
  }
  return sentenceOf_(response.getResponseCode(), response.getContentText());
}

/** The sentence in an answer, or one about its status. */
function sentenceOf_(status, text) {
  if (status === 401) {
    return 'The token is not right. Correct the script property PROMPTSHEET_TOKEN.';
  }
  try {
    const message = JSON.parse(text).message;
    if (typeof message === 'string' && message) {
      return message;
    }
  } catch (error) {
    // The answer is not Promptsheet's: a proxy, or another program.
  }
  return (
    'There is no answer from Promptsheet (status ' +
    status +
    '). Check PROMPTSHEET_ADDRESS, and that promptsheet watch is running.'
  );
}

function show_(sentence) {
  SpreadsheetApp.getActive().toast(sentence, TITLE, SECONDS);
}
