import { GatepostError } from "@gatepost/react";

/** What went wrong, in the service's own sentences. */
export function Refusal({ error }: { error: Error | null }) {
  if (error === null) return null;
  const fields = error instanceof GatepostError ? Object.entries(error.fields) : [];
  return (
    <div role="alert">
      {error.message}
      <ul>
        {fields.map(([field, sentence]) => (
          <li key={field}>
            {field}: {sentence}
          </li>
        ))}
      </ul>
    </div>
  );
}
