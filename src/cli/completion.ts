import type { Command, Option } from 'commander';
import { MeshError } from '../base/index.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** A command as a shell completes it. */
interface Completed {
  /** Words from `weft` on, such as `authz can-i`; empty for the program. */
  readonly path: string;
  readonly description: string;
  readonly subcommands: readonly Completed[];
  readonly options: readonly Option[];
}

/** A script that teaches a shell the commands, their options and the values of these. */
export function completion(weft: Command, shell: string): string {
  const all = flat(completedOf(weft, []));
  if (shell === 'bash') return bash(all);
  // zsh runs what bash has.
  if (shell === 'zsh') return `#compdef weft\nautoload -U +X bashcompinit && bashcompinit\n${bash(all)}`;
  if (shell === 'fish') return fish(all);
  throw new MeshError('invalid', `${shell} is not one of ${SHELLS.join(', ')}`);
}

function completedOf(command: Command, path: readonly string[]): Completed {
  return {
    path: path.join(' '),
    description: command.description(),
    subcommands: command.commands.map((one) => completedOf(one, [...path, one.name()])),
    options: command.options.filter(({ hidden }) => !hidden),
  };
}

function flat(command: Completed): readonly Completed[] {
  return [command, ...command.subcommands.flatMap(flat)];
}

function wordsOf({ path, subcommands, options }: Completed): readonly string[] {
  const own = subcommands.map((one) => one.path.slice(path.length).trim());
  return [...own, ...options.flatMap(({ short, long }) => [short, long]), '--help'].filter(
    (word) => word !== undefined,
  );
}

function bash(all: readonly Completed[]): string {
  const words = all.map((one) => `    '${one.path}') words='${wordsOf(one).join(' ')}' ;;`);
  const values = all.flatMap(({ path, options }) =>
    options.flatMap(({ short, long, argChoices }) =>
      argChoices === undefined
        ? []
        : [short, long].flatMap((name) =>
            name === undefined ? [] : [`    '${path} ${name}') words='${argChoices.join(' ')}' ;;`],
          ),
    ),
  );
  const files = all.flatMap(({ path, options }) =>
    options
      .filter(({ flags }) => flags.includes('<file'))
      .flatMap(({ short, long }) =>
        [short, long].flatMap((name) => (name === undefined ? [] : [`'${path} ${name}'`])),
      ),
  );
  return `# weft completion bash: source it, or put it where the shell looks for completions.
_weft_completion() {
  local word='' previous='' path='' words='' index
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case " ${all.map(({ path }) => `:${path}:`).join('')} " in
      *":\${path:+$path }$word:"*) path="\${path:+$path }$word" ;;
    esac
  done
  previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  case "$path $previous" in
${values.join('\n')}
${files.length === 0 ? '' : `    ${files.join(' | ')}) COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")); return ;;`}
  esac
  if [[ -z "$words" ]]; then case "$path" in
${words.join('\n')}
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _weft_completion weft
`;
}

function fish(all: readonly Completed[]): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  const lines = all.flatMap(({ path, subcommands, options }) => {
    const condition = quoted(`__weft_at ${quoted(path).replaceAll("'", '"')}`);
    return [
      ...subcommands.map(
        (one) =>
          `complete -c weft -f -n ${condition} -a ${one.path.slice(path.length).trim()} -d ${quoted(one.description)}`,
      ),
      ...options.map(({ short, long, description, argChoices, required }) => {
        const named = [
          ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
          ...(long === undefined ? [] : [`-l ${long.slice(2)}`]),
        ].join(' ');
        const value =
          argChoices === undefined ? (required ? ' -r' : '') : ` -x -a ${quoted(argChoices.join(' '))}`;
        return `complete -c weft -n ${condition} ${named}${value} -d ${quoted(description)}`;
      }),
    ];
  });
  return `# weft completion fish: source it, or save it as ~/.config/fish/completions/weft.fish.
function __weft_at
  set -l words (commandline -opc | string match -v -- '-*')
  test "$words[2..]" = "$argv[1]"
end
${lines.join('\n')}
`;
}
