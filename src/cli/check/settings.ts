import { getObject, listObjects, type CustomObject } from '../../kube/index.js';
import { Kinds, LAST_KNOWN, settingsMap } from '../../controller/index.js';
import { decodeKnownSettings, inUserWords } from '../../model/index.js';
import { ok, type CheckOptions, type Found } from './found.js';

/** Whether the settings of the whole mesh are what its MeshConfig asks for. */
export async function checkSettings(options: CheckOptions): Promise<readonly Found[]> {
  const [config] = await listObjects(options.client, Kinds.meshConfigs.resource).catch(() => []);
  return [config === undefined ? await withoutConfig(options) : honoured(config)];
}

function honoured({ metadata, conditions }: CustomObject): Found {
  const accepted = conditions.find(({ type }) => type === 'Accepted');
  if (accepted?.status !== 'False') return ok(accepted?.message ?? 'the MeshConfig has no status yet');
  return {
    kind: 'failed',
    code: 'WEFT910',
    detail: `the MeshConfig is not honoured as written: ${accepted.message.replaceAll('\n', ' ')}`,
    fix: 'correct it, or upgrade Weft if a newer version wrote it; until then the settings in force stay',
    commands: [`kubectl describe meshconfig ${metadata.name}`],
  };
}

async function withoutConfig({ client, revision, systemNamespace }: CheckOptions): Promise<Found> {
  const at = { namespace: systemNamespace, name: settingsMap(revision) };
  const text = (await getObject(client, LAST_KNOWN, at))?.settings;
  const known = text === undefined ? {} : decodeKnownSettings(text).settings;
  const { mtls = 'permissive', outbound = 'allowAny', access = 'allow' } = known;
  if (mtls === 'permissive' && outbound === 'allowAny' && access === 'allow')
    return ok('there is no MeshConfig; the defaults hold');
  const words = inUserWords({ mtls, outbound, access });
  return {
    kind: 'caution',
    code: 'WEFT911',
    detail: `there is no MeshConfig any more; its last settings stay in force: mtls.mode ${words.mtls}, outbound.policy ${words.outbound}, access.default ${words.access}`,
    fix: 'create it again; to lower a setting, state it, as in mtls.mode: Permissive',
  };
}
