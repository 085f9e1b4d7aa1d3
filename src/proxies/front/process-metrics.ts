import { readFileSync, readdirSync, statSync } from 'node:fs';
import type { Metrics } from '../../base/index.js';

/** Linux counts CPU time for everybody in these, whatever its own clock does. */
const TICKS_PER_SECOND = 100;

/** What the front takes beside this process, of what the container may have; read when somebody asks. Make it once for each `Metrics`. */
export function measureFront(metrics: Metrics, pid: number): void {
  let counted = 0;
  metrics.counter(
    'weft_front_cpu_seconds_total',
    'CPU time of the front of the port for proxies.',
    [],
    (counter) => {
      const seconds = read(() => cpuSeconds(pid), counted);
      if (seconds > counted) counter.inc(seconds - counted);
      counted = Math.max(counted, seconds);
    },
  );
  metrics.gauge(
    'weft_front_resident_memory_bytes',
    'Resident memory of the front of the port for proxies.',
    [],
    (gauge) => gauge.set(read(() => residentBytes(pid), 0)),
  );
  metrics.gauge(
    'weft_front_open_fds',
    'Descriptors that the front of the port for proxies has open.',
    [],
    (gauge) => gauge.set(read(() => openDescriptors(pid), 0)),
  );
}

/** A process that has ended has nothing more. */
function read(value: () => number, otherwise: number): number {
  try {
    return value();
  } catch {
    return otherwise;
  }
}

function cpuSeconds(pid: number): number {
  // The name of the program, in brackets, may hold anything.
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kilobytes ?? 0) * 1024;
}

function openDescriptors(pid: number): number {
  const directory = `/proc/${pid}/fd`;
  // Linux says how many there are from 6.2 on; before, they are counted.
  return statSync(directory).size || readdirSync(directory).length;
}
