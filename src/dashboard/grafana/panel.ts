/** What a dashboard for Grafana is made of here: as little as ours need, so that each is a page of queries. */
export interface Panel {
  readonly title: string;
  /** What the numbers mean, where the title does not say it. */
  readonly description?: string;
  readonly kind: 'timeseries' | 'stat' | 'table';
  /** As Grafana names it: `reqps`, `percentunit`, `s`, `short`, `bytes`, `Bps`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Of 24 columns; default 8, for `stat` 4. */
  readonly width?: number;
}

export interface Query {
  readonly expr: string;
  /** Grafana's template for the legend; absent: one line without a name. */
  readonly legend?: string;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** A variable whose values are those of a label. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  /** `label_values(...)`. */
  readonly query: string;
}

export interface Dashboard {
  /** Stays the same for ever: links lead to it. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly Row[];
}
