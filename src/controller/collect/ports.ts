/** Ports of an annotation such as `25,3306`. What is no port is left out: the webhook has told the pod's author. */
export function portList(text: string | undefined): readonly number[] {
  const ports = (text ?? '').split(',').map((part) => Number(part.trim()));
  return [...new Set(ports.filter((port) => Number.isInteger(port) && port > 0 && port <= 65_535))];
}

/** A transport protocol that a port may have; anything else is read as TCP, the API's default. */
export function transport(text: string): 'TCP' | 'UDP' | 'SCTP' {
  return text === 'UDP' || text === 'SCTP' ? text : 'TCP';
}
