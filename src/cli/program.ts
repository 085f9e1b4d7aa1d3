import { Command } from 'commander';
import { readConfig } from '../config.js';
import { runControlPlane } from '../main.js';
import { addDashboardCommand } from './dashboard.js';

/** The command line: names, options and what `--help` teaches. What commands do is in a file for each. */
export function program(): Command {
  const weft = new Command('weft')
    .description('A service mesh for Kubernetes: light, fast and simple.')
    .option(
      '--kubeconfig <file>',
      'kubeconfig to use (default: $KUBECONFIG, ~/.kube/config, then the service account)',
    )
    .option('--context <name>', 'context of the kubeconfig to use')
    .showHelpAfterError('Run with --help to see what there is.');
  weft
    .command('controller', { hidden: false })
    .description(
      'run the control plane: operator, webhook, certificates and config (what the chart starts in a pod)',
    )
    .addHelpText(
      'after',
      '\nIts settings come from environment variables that the chart sets; see src/config.ts.',
    )
    .action(async () => {
      process.exitCode = await runControlPlane(readConfig(), weft.opts());
      // Sockets of others may still linger; everything of ours has ended or had its time.
      process.exit();
    });
  addDashboardCommand(weft);
  return weft;
}
