//! Functions that work row by row, as functions of DataFusion.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, UInt32Type};
use datafusion::common::Result;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, lit,
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
    /// Whether the last argument is the number of each row: rows may be a part of a batch only,
    /// as in a branch of CASE.
    numbered: bool,
}

impl RowFunction {
    pub(crate) fn new(name: impl Into<String>, returns: SqlType, work: Work) -> Self {
        let data_type = returns.arrow();
        let signature = Signature::variadic_any(Volatility::Volatile);
        Self { name: name.into(), returns, data_type, signature, work, numbered: false }
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
        (rows, numbers): (usize, &Numbers),
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
                numbers.report(row, &message);
                Value::Null
            }));
        }
        array_of(&self.returns, &values)
    }
}

/// Which rows of the whole batch a function is called for.
enum Numbers {
    /// All of them, from the first one on.
    All,
    Some(ArrayRef),
    /// One call stands for these.
    Together(ArrayRef),
}

impl Numbers {
    fn report(&self, row: usize, message: &str) {
        let number = |numbers: &ArrayRef, row| numbers.as_primitive::<UInt32Type>().value(row);
        match self {
            Self::All => report(row, message.to_owned()),
            Self::Some(numbers) => report(number(numbers, row) as usize, message.to_owned()),
            Self::Together(numbers) => (0..numbers.len().min(MAX_REPORTS))
                .for_each(|row| report(number(numbers, row) as usize, message.to_owned())),
        }
    }
}

/// Gives every function that may fail the number of its row, which `column` (UInt32) holds; true if
/// there is such a function. The right side of AND and OR is then evaluated where the left one does
/// not decide alone, so that only rows that need it can fail.
pub(crate) fn number_rows(expr: &mut Expr, column: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => {
            let mut any = false;
            call.args.iter_mut().for_each(|argument| any |= number_rows(argument, column));
            let inner: &dyn Any = call.func.inner().as_ref();
            let Some(function) = inner.downcast_ref::<RowFunction>() else { return any };
            if function.numbered || matches!(function.work, Work::Columns(_)) {
                return any;
            }
            let signature = Signature::variadic_any(function.signature.volatility);
            let function = RowFunction { numbered: true, signature, ..function.clone() };
            call.func = Arc::new(ScalarUDF::new_from_impl(function));
            call.args.push(column.clone());
            true
        }
        Expr::BinaryExpr(binary) => {
            let left = number_rows(&mut binary.left, column);
            let right = number_rows(&mut binary.right, column);
            if right && matches!(binary.op, Operator::And | Operator::Or) {
                *expr = short_circuit(std::mem::take(expr));
            }
            left || right
        }
        Expr::Not(inner) | Expr::IsTrue(inner) | Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
            number_rows(inner, column)
        }
        Expr::Cast(cast) => number_rows(&mut cast.expr, column),
        Expr::InList(test) => {
            let parts = std::iter::once(&mut *test.expr).chain(&mut test.list);
            parts.fold(false, |any, part| any | number_rows(part, column))
        }
        Expr::Case(case) => {
            let whens = case.when_then_expr.iter_mut().flat_map(|(when, then)| [when, then]);
            let parts = case.expr.iter_mut().chain(whens).chain(&mut case.else_expr);
            parts.fold(false, |any, part| any | number_rows(part, column))
        }
        _ => false,
    }
}

/// `left AND right`, `left OR right` as CASE, whose branches see only the rows that take them.
fn short_circuit(expr: Expr) -> Expr {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return expr };
    let boolean = |value: bool| Box::new(lit(value));
    let (whens, otherwise) = match op {
        Operator::Or => (vec![(boolean(true), boolean(true))], Some(right)),
        _ => (vec![(boolean(true), right), (boolean(false), boolean(false))], None),
    };
    Expr::Case(Case::new(Some(left), whens, otherwise))
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
        let mut arguments = args.args;
        let numbers = if self.numbered { arguments.pop() } else { None };
        let numbers = numbers.map(|numbers| numbers.into_array(rows)).transpose()?;
        let constant = !arguments.is_empty()
            && arguments.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)))
            && self.signature.volatility == Volatility::Immutable;
        // A branch that no row takes has nothing to report.
        let length = if constant { 1 } else { rows };
        let numbers = match numbers {
            None => Numbers::All,
            Some(numbers) if constant => Numbers::Together(numbers),
            Some(numbers) => Numbers::Some(numbers),
        };
        let columns =
            arguments.iter().map(|a| a.to_array(length)).collect::<Result<Vec<ArrayRef>>>()?;
        let result = match &self.work {
            Work::Rows { call, takes_nulls } => {
                self.rows(call, *takes_nulls, &columns, (length, &numbers))
            }
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
        self.name == other.name && self.returns == other.returns && self.numbered == other.numbered
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
        self.returns.hash(state);
        self.numbered.hash(state);
    }
}
