/** What was last known, kept outside of any process so that nothing fails open. */
export { GoodForms, type SpecObject } from './good-forms.js';
export { recordedObjects } from './recall.js';
export { LAST_KNOWN, keySetsData, keySetsMap, settingsMap, type LastKnown } from './record.js';
export { SettingsHistory } from './settings-history.js';
export { recordLastKnown, writeRecord } from './writer.js';
