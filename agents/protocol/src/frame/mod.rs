//! The data path: frame gate, sequence accounting, pool selection and tensor rules. No queues, no owned actions.
