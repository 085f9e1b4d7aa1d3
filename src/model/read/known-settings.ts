import { fieldOf } from './read-mesh-config.js';
import { type ConfigurableSettings, certain, inUserWords } from '../words/setting-words.js';

/** The settings that held last, and the MeshConfig that said so. */
export interface KnownSettings {
  readonly settings: Partial<ConfigurableSettings>;
  readonly uid: string;
  readonly generation: number;
}

/** As text that each version of Weft can read, older and newer ones. */
export function encodeKnownSettings({
  settings,
  uid,
  generation,
}: KnownSettings & {
  readonly settings: ConfigurableSettings;
}): string {
  const { via, forwarded } = settings;
  return JSON.stringify({ uid, generation, ...inUserWords(settings), via, forwarded });
}

/**
 * Reads such a text. A setting in words of a newer version counts as the strictest, and so does all of a text that is
 * damaged: it was there because somebody had settings.
 */
export function decodeKnownSettings(text: string): KnownSettings {
  const record = parsed(text);
  if (record === undefined)
    return {
      settings: { mtls: 'strict', outbound: 'registryOnly', access: 'deny' },
      uid: '',
      generation: 0,
    };
  const [uid, generation] = [fieldOf(record, 'uid'), fieldOf(record, 'generation')];
  const [via, forwarded] = [fieldOf(record, 'via'), fieldOf(record, 'forwarded')];
  return {
    settings: {
      ...certain('mtls', fieldOf(record, 'mtls') ?? ''),
      ...certain('outbound', fieldOf(record, 'outbound') ?? ''),
      // Versions that know no access rules write nothing about them.
      ...certain('access', fieldOf(record, 'access')),
      ...(typeof via === 'boolean' ? { via } : {}),
      ...(typeof forwarded === 'boolean' ? { forwarded } : {}),
    },
    uid: typeof uid === 'string' ? uid : '',
    generation: typeof generation === 'number' ? generation : 0,
  };
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
