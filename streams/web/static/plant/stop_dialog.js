/** The form in which somebody says how long a line will stand. */

import { html, useId, useState } from "../lib.js";
import { Problem } from "../api.js";
import { dismissSent, say, send } from "../commands.js";
import { Dialog, Failed } from "../parts.js";

const MINUTES_MAX = 525_600; // as schemas/base.py: a year

/** Opens for one line; what was typed stays until it went or is given up. */
export function StopDialog({ line, name, onClose }) {
  const id = useId();
  const [text, setText] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const minutes = text.trim() === "" ? NaN : Number(text);
  const why = !(minutes >= 0) ? "say how many minutes" : minutes > MINUTES_MAX ? "more than a year" : "";
  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await send({ kind: "stop_duration_report", site_id: line.site_id, line_id: line.line_id, expected_duration_min: minutes });
      say("Duration of the stop: sent");
      onClose();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem({ status: 0, type: "error", title: String(error) }));
      setBusy(false);
    }
  };
  const close = () => {
    if (problem) dismissSent(line.line_id);
    onClose();
  };
  return html`<${Dialog} title=${`How long will ${name} stand?`} onClose=${close} onSubmit=${submit} submit="Report" isBusy=${isBusy} submitWhy=${why}>
    <label for=${id}>Minutes from now (needed)</label>
    <input id=${id} inputmode="decimal" autocomplete="off" data-first value=${text} onInput=${(event) => setText(event.target.value)} />
    <p class="quiet">What is projected then rests on it, and not on how long stops have lasted before.</p>
    ${problem && html`<${Failed} problem=${problem} still="What you typed is kept." />`}
  <//>`;
}
