/** Rotations of issuer and root that somebody asks for. */
export { countTrust, isHeardOf, type TrustCounts } from './counts.js';
export {
  ROTATION,
  ROTATION_MAP,
  isOver,
  isRotating,
  requestData,
  type RotationRecord,
  type RotationRequest,
  type RotationStatus,
} from './record.js';
export { Rotation, type RotationOptions } from './rotation.js';
