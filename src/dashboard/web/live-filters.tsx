import type { VNode } from 'preact';
import { shortIdentity } from '../identity-name.js';
import type { MeshView } from '../mesh-view.js';
import { TAP_VERDICTS } from '../tap-view.js';
import type { PageState, TapFilters } from './page-state.js';
import type { ChangeState } from './use-page-state.js';

/** Whose requests are watched, and which of them. While they are, it stands still: each change would be another watch. */
export function LiveFilters({
  view,
  namespace,
  state,
  change,
  isOn,
  onWatch,
  onStop,
}: {
  view: MeshView;
  namespace: string;
  state: PageState;
  change: ChangeState;
  isOn: boolean;
  onWatch: () => void;
  onStop: () => void;
}): VNode {
  const set = (filters: Partial<TapFilters>): void => change({ ...state, tap: { ...state.tap, ...filters } });
  const pods = view.namespaces.find(({ name }) => name === namespace)?.pods ?? [];
  const workloads = unique([
    ...pods.filter(({ identity }) => identity !== '').map(({ workload }) => workload),
    ...(state.tap.workload === '' ? [] : [state.tap.workload]),
  ]);
  return (
    <form
      class="bar tap"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isOn) onWatch();
      }}
    >
      <fieldset disabled={isOn}>
        <legend>Which requests</legend>
        <Choice
          title="Namespace"
          value={namespace}
          options={view.namespaces.map(({ name }) => [name, name])}
          onChoose={(name) => change({ ...state, namespace: name, tap: { ...state.tap, workload: '' } })}
        />
        <Choice
          title="Workload"
          value={state.tap.workload}
          options={[['', 'all'], ...workloads.map((name) => [name, name] as const)]}
          onChoose={(workload) => set({ workload })}
        />
        <Choice
          title="Side"
          value={state.tap.side}
          options={[
            ['', 'both'],
            ['caller', 'calls'],
            ['receiver', 'received'],
          ]}
          onChoose={(side) => set({ side: side === 'caller' || side === 'receiver' ? side : '' })}
        />
        <Text
          title="From"
          value={state.tap.from}
          placeholder="shop/web"
          known={unique(view.edges.map(({ caller }) => shortIdentity(caller)))}
          onText={(from) => set({ from })}
        />
        <Text
          title="To"
          value={state.tap.to}
          placeholder="shop/reviews"
          known={unique(view.edges.map(({ service }) => service))}
          onText={(to) => set({ to })}
        />
        <Text
          title="Status"
          value={state.tap.status}
          placeholder="5xx"
          known={['2xx', '4xx', '5xx']}
          onText={(status) => set({ status })}
        />
        <Choice
          title="Verdict"
          value={state.tap.verdict}
          options={[['', 'any'], ...TAP_VERDICTS.map((name) => [name, name.replace('-', ' ')] as const)]}
          onChoose={(verdict) => set({ verdict: TAP_VERDICTS.find((one) => one === verdict) ?? '' })}
        />
      </fieldset>
      {isOn ? (
        <button type="button" onClick={onStop}>
          Stop
        </button>
      ) : (
        <button type="submit">Watch</button>
      )}
    </form>
  );
}

function Choice({
  title,
  value,
  options,
  onChoose,
}: {
  title: string;
  value: string;
  options: readonly (readonly [value: string, text: string])[];
  onChoose: (value: string) => void;
}): VNode {
  return (
    <label>
      {title}
      <select value={value} onChange={({ currentTarget }) => onChoose(currentTarget.value)}>
        {options.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Text({
  title,
  value,
  placeholder,
  known,
  onText,
}: {
  title: string;
  value: string;
  placeholder: string;
  /** What may be meant; anything else may be typed. */
  known: readonly string[];
  onText: (value: string) => void;
}): VNode {
  const id = `known-${title.toLowerCase()}`;
  return (
    <label>
      {title}
      <input
        type="text"
        value={value}
        placeholder={placeholder}
        list={id}
        autocomplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => onText(currentTarget.value)}
      />
      <datalist id={id}>
        {known.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
    </label>
  );
}

function unique(words: readonly string[]): readonly string[] {
  return [...new Set(words)].filter((word) => word !== '').sort();
}
