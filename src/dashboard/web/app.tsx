import type { VNode } from 'preact';
import type { MeshView } from '../mesh-view.js';
import { Policies } from './policies.js';
import { useMesh } from './poll.js';
import { Summary } from './summary.js';
import { Traffic } from './traffic.js';
import { Workloads } from './workloads.js';

/** The whole page. */
export function App(): VNode {
  const { view, error = '' } = useMesh();
  return (
    <>
      <header>
        <img src="/icon.svg" alt="" width="30" height="30" />
        <h1>Weft</h1>
        {view !== undefined && <span class="cluster">{view.cluster}</span>}
        {view !== undefined && <Freshness view={view} stale={error !== ''} />}
      </header>
      <main>
        <Problems view={view} error={error} />
        {view === undefined ? (
          error === '' && <p class="empty">Reading the cluster …</p>
        ) : (
          <>
            <Summary view={view} />
            <Traffic view={view} />
            <Policies policies={view.policies} />
            <Workloads namespaces={view.namespaces} />
          </>
        )}
      </main>
    </>
  );
}

function Freshness({ view, stale }: { view: MeshView; stale: boolean }): VNode {
  const time = new Date(view.takenAt).toLocaleTimeString([], {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  return (
    <span class={stale ? 'fresh stale' : 'fresh'}>
      {stale ? 'as of' : 'live'} <time dateTime={view.takenAt}>{time}</time>
    </span>
  );
}

/** What keeps the page from telling the whole. */
function Problems({ view, error }: { view: MeshView | undefined; error: string }): VNode | null {
  const mute = (view?.namespaces ?? [])
    .flatMap(({ pods }) => pods)
    .filter(({ scrapeError }) => scrapeError !== '');
  const lines = [
    ...(error === ''
      ? []
      : [{ about: view === undefined ? 'The cluster cannot be read' : 'Out of date', message: error }]),
    ...(view?.problems ?? []),
    ...(mute.length === 0
      ? []
      : [{ about: proxies(mute.length), message: mute.map(({ name }) => name).join(', ') }]),
  ];
  return (
    <div role="status">
      {lines.length > 0 && (
        <ul class="problems">
          {lines.map(({ about, message }) => (
            <li key={about + message}>
              <strong>{about}:</strong> {message}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function proxies(count: number): string {
  return count === 1
    ? 'The metrics of a proxy cannot be read'
    : `The metrics of ${count} proxies cannot be read`;
}
