import { gzipSync } from 'node:zlib';

/** A file of an archive. */
export interface ArchiveFile {
  readonly name: string;
  readonly content: string;
}

const BLOCK = 512;

/** An archive as `tar xzf` reads it (ustar), of files that only their owner may read. */
export function archive(files: readonly ArchiveFile[], modified: Date): Buffer {
  const blocks = files.flatMap(({ name, content }) => {
    const body = Buffer.from(content);
    const padding = Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK);
    return [header(name, body.length, modified), body, padding];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]));
}

function header(name: string, size: number, modified: Date): Buffer {
  const block = Buffer.alloc(BLOCK);
  const { prefix, last } = split(name);
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;
  block.write(last, 0, 100);
  block.write(octal(0o600, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(Math.floor(modified.getTime() / 1000), 12), 136);
  block.write(' '.repeat(8), 148);
  block.write('0', 156);
  block.write('ustar\0' + '00', 257);
  block.write(prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** A long name stands in two fields, apart at a slash. */
function split(name: string): { readonly prefix: string; readonly last: string } {
  if (Buffer.byteLength(name) <= 100) return { prefix: '', last: name };
  const slash = name.indexOf('/', Math.max(0, name.length - 101));
  return slash < 0
    ? { prefix: '', last: name.slice(-100) }
    : { prefix: name.slice(0, slash).slice(-155), last: name.slice(slash + 1) };
}
