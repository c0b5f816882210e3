// Files that somebody drops or chooses; folders give all that is in them.
import { h } from './dom.ts';

export interface Zone {
  readonly label: string;
  readonly note: string;
  readonly small?: boolean;
}

export function dropZone({ label, note, small = false }: Zone, take: (files: readonly File[]) => void): HTMLElement {
  const input = h('input', {
    type: 'file',
    multiple: !small,
    hidden: true,
    'aria-hidden': true,
    change: () => take([...((input as HTMLInputElement).files ?? [])]),
  });
  const choose = (): void => (input as HTMLInputElement).click();
  const zone = h(
    'div',
    {
      class: small ? 'drop small' : 'drop',
      role: 'button',
      tabindex: 0,
      click: (e: Event) => e.target !== input && choose(),
      keydown: (e: KeyboardEvent) => {
        if (e.key !== 'Enter' && e.key !== ' ') return;
        e.preventDefault();
        choose();
      },
      dragover: (e: Event) => {
        e.preventDefault();
        zone.classList.add('over');
      },
      dragleave: () => zone.classList.remove('over'),
      drop: async (e: DragEvent) => {
        e.preventDefault();
        e.stopPropagation();
        zone.classList.remove('over');
        if (e.dataTransfer) take(await droppedFiles(e.dataTransfer));
      },
    },
    h('strong', {}, label),
    h('span', { class: 'quiet' }, note),
    input,
  );
  return zone;
}

export async function droppedFiles(data: DataTransfer): Promise<File[]> {
  // The list of items is gone after the first wait.
  const entries = [...data.items].map(item => item.webkitGetAsEntry?.() ?? undefined);
  if (entries.every(entry => entry === undefined)) return [...data.files];
  return (await Promise.all(entries.map(entry => (entry ? filesIn(entry) : [])))).flat();
}

async function filesIn(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) return [await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed))];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    const more = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed));
    if (more.length === 0) break;
    found.push(...more);
  }
  return (await Promise.all(found.map(filesIn))).flat();
}
