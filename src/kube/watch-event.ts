import { MeshError } from '../base/index.js';
import type { RawObject } from './keep.js';

/** One line of a watch. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: RawObject;
}

/** Reads a line of a watch; throws `unavailable` where it is not an event, because then the stream cannot be trusted. */
export function parseWatchEvent(line: string): WatchEvent {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (thrown) {
    throw new MeshError('unavailable', 'the API server sent a watch event that is not JSON', {
      cause: thrown,
    });
  }
  if (!isEvent(parsed))
    throw new MeshError('unavailable', 'the API server sent a watch event without a type or an object');
  return parsed;
}

function isEvent(parsed: unknown): parsed is WatchEvent {
  return (
    typeof parsed === 'object' &&
    parsed !== null &&
    'type' in parsed &&
    typeof parsed.type === 'string' &&
    'object' in parsed &&
    typeof parsed.object === 'object' &&
    parsed.object !== null
  );
}
