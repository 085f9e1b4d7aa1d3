import { externalService as api } from '../../api/index.js';
import { ownResource, type CustomObject } from '../../kube/index.js';
import {
  authoritiesOf,
  externalServicesAbout,
  isExternalServiceInForce,
  judgeExternalService,
  namesConfigMap,
  type ExternalService,
} from '../../model/index.js';
import { readExternalService } from '../collect/index.js';
import { acknowledgedStatus } from './acknowledged-status.js';
import type { KindRow } from './kind.js';
import { ASKED_FOR, BECAME } from './reasons.js';

export const externalService: KindRow<CustomObject, ExternalService> = {
  resource: ownResource(api),
  installedBy: 'weft',
  api,
  access: { read: ASKED_FOR, status: BECAME },
  feed: {
    table: ({ externalServices }) => externalServices,
    key: 'uid',
    written: true,
    lasting: true,
    read: readExternalService,
    beside: {
      kind: 'caBundles',
      namespaceOf: (service) =>
        namesConfigMap({ authorities: authoritiesOf(service) }) ? service.ref.namespace : undefined,
    },
  },
  status: acknowledgedStatus({
    queue: 'external-service-status',
    api,
    table: ({ externalServices }) => externalServices,
    about: externalServicesAbout,
    judge: judgeExternalService,
    isInForce: isExternalServiceInForce,
  }),
};
