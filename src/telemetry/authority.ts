import { z } from 'zod';

const life = z.object({
  subject: z.string(),
  /** Lower-case hexadecimal. */
  sha256: z.string(),
  /** Milliseconds since 1970. */
  notBefore: z.number(),
  notAfter: z.number(),
});

/** What one replica signs with and trusts, without any key: the answer of `GET /authority`. */
export const authorityView = z.object({ issuer: life, roots: z.array(life).readonly() });

export type AuthorityView = z.infer<typeof authorityView>;
export type CertificateLife = z.infer<typeof life>;

/** What all replicas sign with and trust; while a CA is replaced that differs for a while. */
export interface Authorities {
  readonly issuers: readonly CertificateLife[];
  readonly roots: readonly CertificateLife[];
  /** Who is missing, one line each. */
  readonly notes: readonly string[];
}

/** What replicas answered, each certificate once and the one that ends last first. */
export function joinAuthorities(answers: readonly AuthorityView[], notes: readonly string[]): Authorities {
  return {
    issuers: once(answers.map(({ issuer }) => issuer)),
    roots: once(answers.flatMap(({ roots }) => roots)),
    notes,
  };
}

function once(lives: readonly CertificateLife[]): readonly CertificateLife[] {
  const byPrint = new Map(lives.map((each) => [each.sha256, each]));
  return [...byPrint.values()].sort((a, b) => b.notAfter - a.notAfter);
}
