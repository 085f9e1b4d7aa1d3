/** What tests stand on: real sockets, few words. */
export { ApiServer, type StoredObject } from './api-server.js';
export { eventually } from './eventually.js';
export { untilPasses } from './until-passes.js';
