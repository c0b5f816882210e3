// What is said while a model is trained: one line that is written over for a step, one that stays for an epoch.
import type { EpochEvent, StepEvent } from '../src/train/loop/fit-options.ts';
import type { Scores } from '../src/train/loop/judging.ts';
import { countText, timeText } from './terminal.ts';

const short = (x: number): string => Number(x.toPrecision(4)).toString();

export function stepText({ step, epoch, epochs, ofEpoch, inEpoch, loss, rate, examplesPerSecond, left }: StepEvent): string {
  const place = inEpoch === undefined ? '' : ` ${ofEpoch}/${inEpoch}`;
  const whole = epochs === Number.MAX_SAFE_INTEGER ? '' : `/${epochs}`;
  return [
    `epoch ${epoch + 1}${whole}${place}`,
    `step ${step}`,
    `loss ${short(loss)}`,
    `lr ${short(rate)}`,
    `${countText(Math.round(examplesPerSecond))} examples/s`,
    ...(left === undefined ? [] : [`${timeText(left)} left`]),
  ].join('  ');
}

export function epochText({ epoch, step, training, validation, isBest, rate }: EpochEvent): string {
  const parts = [`epoch ${epoch + 1}`, `step ${step}`, scoresText(training), `lr ${short(rate)}`];
  if (validation) parts.push(`validation ${scoresText(validation)}${isBest ? '  best' : ''}`);
  return `  ${parts.join('  ')}`;
}

const scoresText = ({ loss, metrics }: Scores): string =>
  [`loss ${short(loss)}`, ...Object.entries(metrics).flatMap(([name, x]) => (typeof x === 'number' ? [`${name} ${short(x)}`] : []))].join(
    '  ',
  );
