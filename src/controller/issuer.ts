import { MeshError, watched, type Logger, type Watched } from '../base/index.js';
import { parseIssuer, type IssuerMaterial } from '../identity/index.js';
import type { ClusterView } from './cluster-view.js';
import { ISSUER_SECRET } from './trust-secrets.js';

/** Follows Secret `weft-issuer`. One that cannot be read leaves the last good issuer in use, and says so in the log. */
export function followIssuer(view: ClusterView, log: Logger): Watched<IssuerMaterial | undefined> {
  const issuer = watched<IssuerMaterial | undefined>(undefined);
  let latest = 0;
  view.issuer.store.onChange((change) => {
    if (change.type === 'delete') {
      log.warn(
        `Secret ${ISSUER_SECRET} is gone; the issuer that was in it stays in use until there is a new one`,
      );
      return;
    }
    const { data, metadata } = change.object;
    const turn = ++latest;
    const secret = {
      'tls.crt': data['tls.crt'] ?? '',
      'tls.key': data['tls.key'] ?? '',
      'ca.crt': data['ca.crt'] ?? '',
    };
    parseIssuer(secret, `Secret ${metadata.namespace}/${metadata.name}`).then(
      (material) => {
        if (turn === latest) issuer.set(material);
      },
      (thrown: unknown) => log.error({ err: MeshError.from(thrown) }, 'the issuer cannot be used'),
    );
  });
  return issuer;
}
