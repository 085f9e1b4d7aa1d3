// Installs Weft from this checkout's charts: what every test on the cluster starts from.
import { installWeft } from '../support/weft.js';

installWeft().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
