import { expect, test } from '@jest/globals';
import { TAPPED } from '../shop-knowledge.fixture.js';
import type { TapLine, Tapped } from '../tap-view.js';
import {
  MOST_ROWS,
  NOTHING_HEARD,
  heard,
  isTroubled,
  liveRows,
  otherSide,
  saidOf,
  whatOf,
} from './live-rows.js';
import { FIRST_STATE } from './page-state.js';

const request = (over: Partial<Tapped> = {}, leftOut = 0): TapLine => ({
  kind: 'request',
  request: { ...TAPPED, ...over },
  leftOut,
});

test('the newest are kept, first, and all are counted', () => {
  const many = Array.from({ length: 250 }, (_, at) => request({ path: `/${at}` }, at));
  const live = heard(heard(NOTHING_HEARD, [{ kind: 'watching', proxies: 3 }]), many);
  expect(live).toMatchObject({ state: 'watching', proxies: 3, seen: 250, leftOut: 249 });
  expect(live.rows).toHaveLength(MOST_ROWS);
  expect(live.rows[0]).toMatchObject({ path: '/249', number: 249 });
});

test('its end says why, and keeps what was heard', () => {
  const some = heard(NOTHING_HEARD, [request()]);
  const ended = heard(some, [{ kind: 'ended', notes: ['shop/web-1 is not followed'], leftOut: 4 }]);
  expect(ended).toMatchObject({ state: 'ended', leftOut: 4, notes: ['shop/web-1 is not followed'] });
  const failed = heard(some, [{ kind: 'failed', error: 'pods/exec is missing' }]);
  expect(failed).toMatchObject({ state: 'failed', seen: 1, notes: ['pods/exec is missing'] });
});

test('a request is told in the words of weft tap', () => {
  expect([whatOf(TAPPED), saidOf(TAPPED), otherSide(TAPPED)]).toEqual([
    'GET reviews:8080/api/v1?x=1',
    'carried',
    'shop/reviews',
  ]);
  const denied = { ...TAPPED, verdict: 'denied', refusedBy: 'access', rule: 'shop/readers', reason: 'x' };
  expect(saidOf(denied)).toBe('denied by access [shop/readers]');
  expect(saidOf({ ...TAPPED, verdict: 'broken-off', reason: 'reset' })).toBe('broken off (reset)');
  expect(saidOf({ ...TAPPED, wouldRefuse: ['access'] })).toBe('carried, access would refuse it');
  expect(otherSide({ ...TAPPED, side: 'receiver', caller: '' })).toBe('no identity');
  const bytes = { ...TAPPED, kind: 'bytes', sentBytes: 312, receivedBytes: 2_048 };
  expect(whatOf(bytes)).toBe('bytes shop/reviews:8080, 312 B there, 2048 B back');
});

test('the search and only problems narrow what is shown', () => {
  const { rows } = heard(NOTHING_HEARD, [
    request(),
    request({ status: 503 }),
    request({ verdict: 'denied', path: '/admin' }),
    request({ wouldRefuse: ['access'] }),
  ]);
  expect(rows.map(isTroubled)).toEqual([true, true, true, false]);
  expect(liveRows(rows, { ...FIRST_STATE, onlyProblems: true })).toHaveLength(3);
  expect(liveRows(rows, { ...FIRST_STATE, search: 'ADMIN denied' }).map(({ path }) => path)).toEqual([
    '/admin',
  ]);
});
