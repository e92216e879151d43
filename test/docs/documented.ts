import { dirname, join } from 'node:path';
import * as ts from 'typescript';
import * as ratchet from '../../src';
import { documentedFiles } from '../embedding/support/bare-host';

export type Exports = Record<string, any>;

/** The files of docs/embedding.md as modules, which import the package, each other and what this repository has. */
export async function documented(): Promise<(name: string) => Exports> {
  const files = new Map(await documentedFiles());
  const loaded = new Map<string, Exports>();
  const load = (name: string): Exports => {
    const known = loaded.get(name);
    if (known !== undefined) return known;
    const exported: Exports = {};
    loaded.set(name, exported);
    const { outputText } = ts.transpileModule(files.get(name) ?? 'throw new Error("no such file")', {
      compilerOptions: {
        module: ts.ModuleKind.CommonJS,
        target: ts.ScriptTarget.ES2022,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
      },
    });
    const from = (wanted: string): unknown => {
      if (wanted === 'nest-ratchet') return ratchet;
      return wanted.startsWith('.')
        ? load(join(dirname(name), wanted).replace(/\.js$/, '.ts'))
        : jest.requireActual(wanted);
    };
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- our own document
    new Function('exports', 'require', outputText)(exported, from);
    return exported;
  };
  return load;
}
