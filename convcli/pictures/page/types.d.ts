/** The types that the page's modules share. Positions and sizes are (row, column) and (height, width). */

export type Pair = [number, number];
/** Maps of numbers, (C, H, W). */
export type Maps = number[][][];

/** What the page shows: an operation, its settings, and its input. */
export interface State {
  op: "conv" | "tconv" | "maxpool" | "avgpool";
  kernel: Pair;
  stride: Pair;
  /** [[top, bottom], [left, right]]; of a transposed convolution, what is cropped off its output. */
  padding: [Pair, Pair];
  dilation: Pair;
  outputPadding: Pair;
  /** zero, constant:V, reflect, replicate, circular or symmetric; a pool and tconv do without. */
  mode: string;
  /** Turn the weights by 180 degrees. */
  flip: boolean;
  ceil: boolean;
  /** Count padding in an average's divisor. */
  countPadding: boolean;
  /** Added to every sum. */
  bias: number;
  /** Added to the sums of each output map; empty where none has its own. */
  mapBiases: number[];
  range: "clamp" | "abs" | "rescale" | "offset" | "none";
  relu: boolean;
  /** Layers after this one, in the notation: "maxpool:2", "conv:3,p=1". */
  layers: string[];
  /** (C_out, C_in / groups, kh, kw), as typed. One plane alone filters each channel by itself. */
  weights: number[][][][];
  /** (C, H, W); null for sizes alone. */
  input: Maps | null;
  /** The input's (height, width). */
  size: Pair;
  /** The output that is explained. */
  at: OutputPosition;
}

/** What the sizes and the field of a layer with a window follow from. */
export type LayerSettings = Pick<
  State,
  "op" | "kernel" | "stride" | "padding" | "dilation" | "outputPadding" | "ceil" | "mode" | "size"
>;

export interface OutputPosition {
  channel: number;
  row: number;
  column: number;
}

/** A picture that the page holds: its pixels are the state's input. */
export interface PagePicture {
  width: number;
  height: number;
  /** 1 or 3. */
  channels: number;
  dataUrl: string;
}

export interface BankKernel {
  name: string;
  matrix: number[][];
}

/** What Python embeds. */
export interface PageData {
  version: string;
  title: string;
  /** Its input is null for a picture, too: `readPicture` makes it of the pixels. */
  state: State;
  bank: BankKernel[];
  picture: PagePicture | null;
  /** The engine's numbers, (C, H, W); null is minus infinity; null in all without numbers. */
  outputs: (number | null)[][][] | null;
  /** INPUT as it was typed, and its options; null for sizes alone. */
  source: string | null;
  /** Options of `apply` that make a PNG of the input of INPUT: ["--resize", "256x171"]. */
  sourceOptions: string[];
  /** The kernel as it was typed; null for a pool or a size. */
  spec: string | null;
  /** The bias that the kernel brings, which is part of the state's. */
  specBias: number;
  /** Messages to the reader. */
  notes: string[];
}

/** An input under a window, and the weight that it meets. */
export interface Tap {
  channel: number;
  /** The input's position; below 0 and from the size on it is padding. */
  row: number;
  column: number;
  isPadding: boolean;
  /** False for what an average leaves out of its divisor. */
  isCounted: boolean;
  /** Minus infinity for the padding of a maximum. */
  value: number;
  weight: number;
  /** value * weight; of a pool the value. */
  product: number;
  /** The index into the state's weights, as typed. */
  kernelRow: number;
  kernelColumn: number;
}

/** How one output is computed. */
export interface Step {
  taps: Tap[];
  /** The sum of each input channel's products; of a maximum its largest value. */
  sums: number[];
  /** The sum of all; of a maximum the largest value. */
  sum: number;
  divisor: number;
  bias: number;
  /** sum / divisor + bias, at least 0 with relu. */
  value: number;
}

export interface Position {
  row: number;
  column: number;
}

/** A layer's output, or the input, and the part of it that one output of the last layer sees. */
export interface Field {
  name: string;
  size: Pair;
  /** First and last position; outside 0..size-1 is padding. */
  rows: Pair;
  columns: Pair;
}
