import { GatepostError } from "./error.js";

interface Problem {
  code: string;
  detail: string;
  request_id?: string;
  errors?: { field: string; detail: string }[];
}

/** An answer that is no success, as an error: RFC 9457 problem details, or whatever a proxy sent. */
export async function refusalOf(answer: Response): Promise<GatepostError> {
  const problem = await problemIn(answer);
  const retryAfter = secondsOf(answer.headers.get("retry-after"));
  if (problem === null) return unexpected(answer.status, retryAfter);
  return new GatepostError({
    status: answer.status,
    code: problem.code,
    detail: problem.detail,
    fields: Object.fromEntries(problem.errors?.map((each) => [each.field, each.detail]) ?? []),
    retryAfter,
    requestId: problem.request_id ?? null,
  });
}

/** Something between us and the service answered in its place, or this is another service. */
export function unexpected(status: number, retryAfter: number | null = null): GatepostError {
  const detail = `The service gave an answer (${status}) that is none of its own.`;
  return new GatepostError({ status, code: "unexpected_answer", detail, retryAfter });
}

async function problemIn(answer: Response): Promise<Problem | null> {
  if (!answer.headers.get("content-type")?.startsWith("application/problem+json")) return null;
  const body: unknown = await answer.json().catch(() => null);
  return isProblem(body) ? body : null;
}

function isProblem(body: unknown): body is Problem {
  if (typeof body !== "object" || body === null) return false;
  const { code, detail, errors = [] } = body as Record<string, unknown>;
  return typeof code === "string" && typeof detail === "string" && Array.isArray(errors);
}

function secondsOf(header: string | null): number | null {
  return header !== null && /^\d{1,9}$/.test(header) ? Number(header) : null;
}
