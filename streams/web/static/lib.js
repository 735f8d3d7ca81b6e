/** What every module draws with: preact, signals and htm, from the vendored files. */

import { Fragment, h, render } from "./vendor/preact.js";
import { useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState } from "./vendor/preact-hooks.js";
import { batch, computed, effect, signal, useComputed, useSignal, useSignalEffect } from "./vendor/signals.js";
import htm from "./vendor/htm.js";

/** Markup as a tagged template. Values are text or attributes, never markup. */
export const html = htm.bind(h);

export {
  Fragment, batch, computed, effect, h, render, signal, useComputed, useEffect, useErrorBoundary, useId, useLayoutEffect,
  useMemo, useRef, useSignal, useSignalEffect, useState,
};
