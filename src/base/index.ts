/** Ground floor: what every room may use. */
export * as names from './names.js';
