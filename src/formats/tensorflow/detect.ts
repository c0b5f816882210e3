// How files of TensorFlow are told by their first bytes.

/** Whether the text starts with a field of a GraphDef. */
export const isGraphText = (head: Uint8Array): boolean =>
  /^(?:\s|#[^\n]*\n)*(?:node|library|versions)\s*[:{<]/.test(String.fromCharCode(...head.subarray(0, 1024)));

/** Whether the text starts with a field of a SavedModel. */
export const isSavedModelText = (head: Uint8Array): boolean =>
  /^(?:\s|#[^\n]*\n)*(?:saved_model_schema_version|meta_graphs)\s*[:{<]/.test(String.fromCharCode(...head.subarray(0, 1024)));

/** Whether the first bytes are those of a SavedModel: schema version 1, then the length of a graph, which starts with its description. */
export function isSavedModel(head: Uint8Array): boolean {
  if (head[0] !== 0x08 || head[1] !== 0x01 || head[2] !== 0x12) return false;
  let at = 3;
  while (at < head.length && head[at]! >= 0x80) at++;
  return head[at + 1] === 0x0a || head[at + 1] === 0x12;
}
