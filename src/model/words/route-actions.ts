/** What a route does to its requests beside choosing where they go. */
export interface RouteActions {
  readonly headers?: MessageHeaders;
  readonly rewrite?: Rewrite;
  readonly cors?: Cors;
  /** Instead of sending the request anywhere. */
  readonly answer?: Answer;
}

/** Changes of headers, of a request and of its response. */
export interface MessageHeaders {
  readonly request?: HeaderChanges;
  readonly response?: HeaderChanges;
}

/** Done in this order: remove, set, add. Names in lower case. */
export interface HeaderChanges {
  readonly remove: readonly string[];
  readonly set: readonly HeaderText[];
  readonly add: readonly HeaderText[];
}

export interface HeaderText {
  readonly name: string;
  readonly value: string;
}

/** A new path: whole, or in the place of the prefix that matched. */
export interface PathChange {
  readonly kind: 'full' | 'prefix';
  readonly value: string;
}

export interface Rewrite {
  readonly host?: string;
  readonly path?: PathChange;
}

export type Answer =
  | {
      readonly kind: 'redirect';
      readonly scheme?: 'http' | 'https';
      readonly host?: string;
      readonly port?: number;
      readonly path?: PathChange;
      readonly status: number;
    }
  | {
      readonly kind: 'direct';
      readonly status: number;
      readonly body: string;
      readonly contentType: string;
    };

/** Which pages of other origins browsers let read the answers. Each list may be `*` alone, for every one. */
export interface Cors {
  /** `*`, or origins whose host may begin with `*.` or be `*`. */
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly allowCredentials: boolean;
  /** How long browsers may remember a permission. */
  readonly maxAgeSeconds: number;
}

/** So many of so many requests. */
export interface Portion {
  readonly numerator: number;
  readonly denominator: number;
}

/** What is compared of two answers beside their status. */
export interface Comparison {
  /** In lower case. */
  readonly headers: readonly string[];
  readonly body: boolean;
}
