/**
 * `bivouac completion`: Tab completion for bash. `bivouac completion > /etc/bash_completion.d/bivouac`
 */
import { VIEWS } from '../operator/views.ts';

/** Words that may follow each command. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  run: ['--config'],
  agent: ['--config'],
  query: [
    '--protocol',
    '--transport',
    '--port',
    '--via',
    '--link',
    '--json',
    '--watch',
    '--signed',
    '--key',
    '--count',
    '--timeout',
  ],
  show: [...Object.keys(VIEWS), '--json', '--socket'],
  'check-config': [],
  pki: ['init', 'issue', 'show'],
  completion: [],
};

export async function completion(): Promise<number> {
  console.log(script());
  return 0;
}

/** The script: commands first, then the command's words, else file names. */
export function script(): string {
  const cases = Object.entries(WORDS).map(
    ([command, words]) => `    ${command}) words="${words.join(' ')}" ;;`,
  );
  return `_bivouac() {
  local words
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${Object.keys(WORDS).join(' ')}"
  else
    case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
    esac
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _bivouac bivouac`;
}
