import type { VNode } from 'preact';
import type { Authorities, CertificateLife } from '../../telemetry/index.js';
import { Chip, type Tone } from './chip.js';
import { formatPercent, formatSpan } from './format.js';
import { usePolled } from './poll.js';
import { Section } from './section.js';

const EVERY_MS = 60_000;
const DAY_MS = 24 * 3_600_000;
/** With less left, somebody has to see to it: as the alerts say. */
const SOON_MS = { root: 90 * DAY_MS, issuer: 60 * DAY_MS } as const;

/** What the certificates of workloads stand on, and how long it lasts. */
export function Authority(): VNode {
  const { value, error = '' } = usePolled<Authorities>('/api/authority', EVERY_MS);
  return (
    <Section title="Root and issuer" note="which the certificates of all workloads stand on">
      {value === undefined ? (
        <p class={error === '' ? 'empty loading' : 'empty'}>
          {error === '' ? 'Asking the control plane …' : `The control plane does not tell them: ${error}`}
        </p>
      ) : (
        <Certificates authorities={value} />
      )}
    </Section>
  );
}

function Certificates({ authorities: { roots, issuers, notes } }: { authorities: Authorities }): VNode {
  return (
    <>
      <div class="scroll">
        <table>
          <caption>Certificates of the authority of the mesh</caption>
          <thead>
            <tr>
              <th scope="col">Certificate</th>
              <th scope="col">Name</th>
              <th scope="col">SHA-256</th>
              <th scope="col">Valid</th>
              <th scope="col">Life that is left</th>
            </tr>
          </thead>
          <tbody>
            {roots.map((life) => (
              <Line key={life.sha256} what="root" life={life} />
            ))}
            {issuers.map((life) => (
              <Line key={life.sha256} what="issuer" life={life} />
            ))}
          </tbody>
        </table>
      </div>
      {notes.map((note) => (
        <p class="note" key={note}>
          {note}
        </p>
      ))}
    </>
  );
}

function Line({ what, life }: { what: keyof typeof SOON_MS; life: CertificateLife }): VNode {
  const { subject, sha256, notBefore, notAfter } = life;
  const left = notAfter - Date.now();
  const share = Math.min(1, Math.max(0, left / (notAfter - notBefore)));
  return (
    <tr>
      <th scope="row">{what}</th>
      <td class="cut" data-title="Name" title={subject}>
        {subject}
      </td>
      <td data-title="SHA-256" title={sha256}>
        <code>{sha256.slice(0, 16)}</code>
      </td>
      <td data-title="Valid">
        {dayOf(notBefore)} to {dayOf(notAfter)}
      </td>
      <td data-title="Left">
        <meter value={share} aria-label={`${formatPercent(share)} of the life of this ${what}`} />
        <Chip tone={toneOf(what, left)}>{left > 0 ? `${formatSpan(left)} left` : 'has ended'}</Chip>
      </td>
    </tr>
  );
}

function toneOf(what: keyof typeof SOON_MS, left: number): Tone {
  if (left <= 0) return 'bad';
  return left < SOON_MS[what] ? 'warn' : 'good';
}

function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
