// Dials a meshed port as a TLS client and prints what the receiver proves of itself, as JSON.
// node tls-peer.mjs HOST:PORT [--foreign]   with --foreign it presents a certificate of an authority nobody trusts
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';

// The only group offered, so that a finished handshake proves it.
const GROUP = 'X25519MLKEM768';

const [address, flag] = process.argv.slice(2);
const port = Number(address.slice(address.lastIndexOf(':') + 1));
const host = address.slice(0, address.lastIndexOf(':'));

function foreignCertificate() {
  const dir = mkdtempSync(join(tmpdir(), 'weft-foreign-'));
  try {
    const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    const name = 'subjectAltName=URI:spiffe://cluster.local/ns/shop/sa/web';
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
        ...['-subj', '/', '-addext', name, '-keyout', key, '-out', cert],
      ],
      { stdio: 'ignore' },
    );
    return { key: readFileSync(key), cert: readFileSync(cert) };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const print = (out) => {
  console.log(JSON.stringify(out));
  process.exit(0);
};

const socket = connect({
  host,
  port,
  ALPNProtocols: ['weft1-h2'],
  minVersion: 'TLSv1.3',
  ecdhCurve: GROUP,
  rejectUnauthorized: false, // looked at below: there is no DNS name to check
  checkServerIdentity: () => undefined,
  ...(flag === '--foreign' ? foreignCertificate() : {}),
});
socket.on('secureConnect', () => {
  if (flag === '--foreign') {
    socket.write('x'.repeat(64)); // in TLS 1.3 a refusal of the client's certificate arrives after the handshake
    return;
  }
  const { subjectaltname } = socket.getPeerCertificate();
  print({ protocol: socket.getProtocol(), group: GROUP, uris: subjectaltname });
});
socket.on('error', (error) => print({ refused: error.message }));
socket.on('close', () => print({ refused: 'connection reset' }));
setTimeout(() => print({ refused: '' }), 10_000);
