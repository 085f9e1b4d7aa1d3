import { jwtIssuer as api } from '../../api/index.js';
import { ownResource, type CustomObject } from '../../kube/index.js';
import { isJwtIssuerInForce, judgeJwtIssuer, jwtIssuersAbout, type JwtIssuer } from '../../model/index.js';
import { readJwtIssuer } from '../collect/index.js';
import { acknowledgedStatus } from './acknowledged-status.js';
import type { KindRow } from './kind.js';
import { ASKED_FOR, BECAME } from './reasons.js';

export const jwtIssuer: KindRow<CustomObject, JwtIssuer> = {
  resource: ownResource(api),
  installedBy: 'weft',
  api,
  access: { read: ASKED_FOR, status: BECAME },
  feed: {
    table: ({ jwtIssuers }) => jwtIssuers,
    key: 'uid',
    written: true,
    lasting: true,
    read: readJwtIssuer,
  },
  status: acknowledgedStatus({
    queue: 'jwt-issuer-status',
    api,
    table: ({ jwtIssuers }) => jwtIssuers,
    about: jwtIssuersAbout,
    judge: judgeJwtIssuer,
    isInForce: isJwtIssuerInForce,
  }),
};
