interface Named {
  readonly name?: string | undefined;
}

/**
 * Rules by names of their own. The API says that names are unique within a route, and Gateway API enforces it in some
 * channels only; of several rules with one name the first has it, so that a policy's `sectionName` and the cookie of a
 * session mean one rule. `notes` say which were left without.
 */
export function withUniqueNames<Rule extends Named>(
  rules: readonly Rule[],
): { readonly rules: readonly Rule[]; readonly notes: readonly string[] } {
  const holders = new Map<string, number>();
  const notes: string[] = [];
  const named = rules.map((rule, index) => {
    if (rule.name === undefined) return rule;
    const holder = holders.get(rule.name);
    if (holder === undefined) {
      holders.set(rule.name, index);
      return rule;
    }
    notes.push(
      `spec.rules[${index}].name: spec.rules[${holder}] is named ${rule.name} already, so this rule counts as one without a name; rename one of them`,
    );
    return { ...rule, name: undefined };
  });
  return { rules: named, notes };
}
