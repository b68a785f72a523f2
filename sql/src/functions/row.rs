//! Functions that work row by row, as functions of DataFusion.

use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use formats::Value;

use crate::types::SqlType;
use crate::values::{array_of, value_at};

/// How many messages of one evaluation are kept for the processing log.
const MAX_REPORTS: usize = 16;

thread_local! {
    /// Messages about rows whose result became null, since the last [`take_reports`].
    static REPORTS: RefCell<Vec<(usize, String)>> = const { RefCell::new(Vec::new()) };
}

/// The rows (by position in their batch) that failed on this thread since the last call, with
/// the reasons.
pub(crate) fn take_reports() -> Vec<(usize, String)> {
    REPORTS.take()
}

fn report(row: usize, message: String) {
    REPORTS.with_borrow_mut(|reports| {
        if reports.len() < MAX_REPORTS {
            reports.push((row, message));
        }
    });
}

/// The work of a function: over single values, or over whole columns.
#[derive(Clone)]
pub(crate) enum Work {
    /// Called once a row; an error makes the row null and is logged.
    Rows { call: RowCall, takes_nulls: bool },
    /// Called once a batch with as many columns as arguments.
    Columns(ColumnCall),
}

pub(crate) type RowCall = Arc<dyn Fn(&[Value]) -> std::result::Result<Value, String> + Send + Sync>;
pub(crate) type ColumnCall = Arc<dyn Fn(&[ArrayRef], usize) -> Result<ArrayRef> + Send + Sync>;

/// A function as DataFusion calls it. Two are equal if name, parameters and result are: the name
/// of a function that holds more than its name says must carry the rest (a pattern, a target).
#[derive(Clone)]
pub(crate) struct RowFunction {
    name: String,
    returns: SqlType,
    data_type: DataType,
    signature: Signature,
    work: Work,
}

impl RowFunction {
    pub(crate) fn new(name: impl Into<String>, returns: SqlType, work: Work) -> Self {
        let data_type = returns.arrow();
        let signature = Signature::variadic_any(Volatility::Volatile);
        Self { name: name.into(), returns, data_type, signature, work }
    }

    /// Same arguments, same result: DataFusion may evaluate constants once.
    pub(crate) fn immutable(mut self) -> Self {
        self.signature = Signature::variadic_any(Volatility::Immutable);
        self
    }

    pub(crate) fn call(mut self, arguments: Vec<Expr>) -> Expr {
        if arguments.is_empty() {
            self.signature = Signature::nullary(self.signature.volatility);
        }
        ScalarUDF::new_from_impl(self).call(arguments)
    }

    fn rows(
        &self,
        call: &RowCall,
        takes_nulls: bool,
        columns: &[ArrayRef],
        rows: usize,
    ) -> ArrayRef {
        let mut values = Vec::with_capacity(rows);
        let mut arguments = Vec::with_capacity(columns.len());
        for row in 0..rows {
            arguments.clear();
            arguments.extend(columns.iter().map(|c| value_at(c, row)));
            if !takes_nulls && arguments.iter().any(Value::is_null) {
                values.push(Value::Null);
                continue;
            }
            values.push(call(&arguments).unwrap_or_else(|message| {
                report(row, message);
                Value::Null
            }));
        }
        array_of(&self.returns, &values)
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let constant = !args.args.is_empty()
            && args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)))
            && self.signature.volatility == Volatility::Immutable;
        let length = if constant { 1 } else { rows };
        let columns =
            args.args.iter().map(|a| a.to_array(length)).collect::<Result<Vec<ArrayRef>>>()?;
        let result = match &self.work {
            Work::Rows { call, takes_nulls } => self.rows(call, *takes_nulls, &columns, length),
            Work::Columns(call) => call(&columns, length)?,
        };
        if constant && rows != 1 {
            let scalar = datafusion::common::ScalarValue::try_from_array(&result, 0)?;
            return Ok(ColumnarValue::Scalar(scalar));
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.name, self.returns)
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.returns == other.returns
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.returns.hash(state);
    }
}
