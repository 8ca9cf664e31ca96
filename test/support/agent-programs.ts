/**
 * The agent, and the scripted manager that it meets, as programs of their own: bundled from the sources under test.
 */
import { join, resolve } from 'node:path';
import { build } from 'esbuild';

const root = resolve(import.meta.dirname, '../..');

export interface AgentPrograms {
  /** Where they are; to be removed with all in it. Below the repository, so that they find its packages. */
  readonly directory: string;
  readonly agent: string;
  readonly manager: string;
  build(): Promise<void>;
}

/** `name` is this test file's own. */
export function agentPrograms(name: string): AgentPrograms {
  const directory = join(root, `node_modules/.cache/bivouac-${name}-${process.pid}`);
  const agent = join(directory, 'agent.mjs');
  const manager = join(directory, 'manager.mjs');
  return {
    ...{ directory, agent, manager },
    async build() {
      const options = {
        bundle: true,
        platform: 'node',
        format: 'esm',
        target: 'node20',
        logLevel: 'silent',
        packages: 'external',
      } as const;
      const contents =
        "import { agent } from './appliance/commands/agent.ts'; process.exitCode = await agent(process.argv.slice(2));";
      await build({ ...options, stdin: { contents, resolveDir: root, loader: 'ts' }, outfile: agent });
      const scripted = join(root, 'test/netns/programs/agent-manager.ts');
      await build({ ...options, entryPoints: [scripted], outfile: manager });
    },
  };
}
