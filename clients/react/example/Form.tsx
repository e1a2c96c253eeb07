import type { GatepostError } from "@gatepost/react";
import type { ReactNode, SubmitEvent } from "react";
import { Refusal } from "./Refusal.js";

interface Props<Field extends string> {
  title: string;
  onSubmit: (entered: Record<Field, string>) => unknown;
  busy: boolean;
  error: GatepostError | null;
  children: ReactNode;
}

/** A form whose fields are read when it is sent, and which says why it was refused. */
export function Form<Field extends string>(props: Props<Field>) {
  const { title, onSubmit, busy, error, children } = props;
  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    const entered = Object.fromEntries(new FormData(event.currentTarget));
    onSubmit(entered as Record<Field, string>);
  };
  return (
    <form aria-label={title} onSubmit={submit}>
      {children}
      <Refusal error={error} />
      <button type="submit" disabled={busy}>
        {title}
      </button>
    </form>
  );
}
