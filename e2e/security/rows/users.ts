import { confusions, goodTokens, ISSUER, makeKeys, OTHER, type Keys, type Lines } from '../confusions.js';
import { sendAll, type Ground } from '../ground.js';
import { together, type Played, type Row } from '../row.js';
import { WIRES, type Form, type Wire } from '../wires.js';

const ISSUERS = '/apis/weft.dev/v1alpha1/jwtissuers';

/** The row about tokens that users show. */
export function userRows(ground: Ground): readonly Row[] {
  return [
    {
      area: 'JWT',
      name: 'no confusion of a token gets in, over each wire; tokens by OpenSSL',
      play: async () => {
        const keys = makeKeys();
        await believe(ground, keys);
        const results: Played[] = [];
        for (const wire of WIRES) results.push(await confuse(ground, wire, keys));
        return together(results);
      },
    },
  ];
}

/** Staff of one issuer gets in, whoever shows a token of the other one too, and nobody else. */
async function believe(ground: Ground, { sets }: Keys): Promise<void> {
  const inline = (keys: object): object => ({ jwks: { inline: JSON.stringify(keys) }, audiences: ['shop'] });
  ground.apply(ISSUERS, 'JwtIssuer', 'id', { issuer: ISSUER, ...inline(sets.issuer) });
  const location = { header: 'x-token' };
  ground.apply(ISSUERS, 'JwtIssuer', 'other', { issuer: OTHER, location, ...inline(sets.other) });
  const staff = { jwt: { issuer: ISSUER, claims: [{ path: ['groups'], anyOf: ['staff'] }] } };
  const spec = { subjects: [staff, { jwt: { issuer: OTHER } }] };
  const rules = [{ services: ['server'], ports: [8080] }];
  await ground.rule({ byDefault: 'Deny', bindings: { staff: { spec, rules } } });
}

type Shown = Form & { readonly name: string; readonly mark: string };

async function confuse(ground: Ground, wire: Wire, keys: Keys): Promise<Played> {
  const certificate = await ground.certificate();
  const shown = (all: ReadonlyMap<string, Lines>, word: string): readonly Shown[] =>
    [...all].map(([name, headers], index) => {
      const mark = `/${word}-${wire}-${index}-`;
      return { name, mark, target: mark, headers };
    });
  const attempts = await sendAll(ground.at('http'), wire, certificate, shown(confusions(keys), 'token'));
  const twins = await sendAll(ground.at('http'), wire, certificate, shown(goodTokens(keys), 'good'));
  const arrived = (await ground.arrived()).map(({ bytes }) => bytes).join('');
  const refused = (status: number): boolean => status === 401 || status === 403 || status === 400;
  return {
    attempts: attempts.length,
    twins: twins.length,
    wrong: [
      ...attempts
        .filter(({ form, status }) => arrived.includes(form.mark) || !refused(status))
        .map(
          ({ form, status, reason }) =>
            `${wire}: a token that is wrong by "${form.name}" got ${status} ${reason}`,
        ),
      ...twins
        .filter(({ form, status }) => status !== 200 || !arrived.includes(form.mark))
        .map(({ form, status, reason }) => `${wire}: a good token, ${form.name}, got ${status} ${reason}`),
    ],
  };
}
