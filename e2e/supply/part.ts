/** One piece of software that somebody published and that is in what we ship. */
export interface Part {
  /** `weft`: ours. `other`: named by no package manager, such as the standard library of Rust. */
  readonly from: 'npm' | 'cargo' | 'deb' | 'weft' | 'other';
  readonly name: string;
  readonly version: string;
  /** An SPDX expression; undefined where the publisher gives none (Debian's are in the copyright file of the package). */
  readonly licence?: string;
  /** Whole texts of its licences, as published with it. */
  readonly texts: readonly string[];
  /** Files of the image that are this part, as absolute paths. */
  readonly files: readonly string[];
  /** What is compiled or bundled into those files. */
  readonly parts: readonly Part[];
}

/** Package URL: https://github.com/package-url/purl-spec. Undefined for what no registry has. */
export function purlOf({ from, name, version }: Part): string | undefined {
  const at = encodeURIComponent(version);
  // The slash between an npm scope and a name stays.
  if (from === 'npm') return `pkg:npm/${name.replace('@', '%40')}@${at}`;
  if (from === 'cargo') return `pkg:cargo/${name}@${at}`;
  if (from === 'deb') return `pkg:deb/debian/${encodeURIComponent(name)}@${at}`;
  return undefined;
}

export function byName(one: Part, other: Part): number {
  return one.name.localeCompare(other.name, 'en') || one.version.localeCompare(other.version, 'en');
}
