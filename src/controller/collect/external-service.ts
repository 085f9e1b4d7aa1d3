import type { CustomObject } from '../../kube/index.js';
import { type ExternalService, type Problem, toExternalService } from '../../model/index.js';
import { plainObject } from './traffic-policy.js';

/** An ExternalService in terms of the mesh. */
export function readExternalService(object: CustomObject): {
  readonly value?: ExternalService;
  readonly problems: readonly Problem[];
} {
  const { service, problems } = toExternalService(plainObject(object));
  return service === undefined ? { problems } : { value: service, problems };
}
